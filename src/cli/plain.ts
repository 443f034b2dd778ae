/** Text from others as one line that steers no terminal: control characters are shown, not sent. */
export const plain = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (mark) => {
    const code = mark.codePointAt(0) ?? 0;
    return mark === '\n' || mark === '\t' ? ' ' : `\\u{${code.toString(16)}}`;
  });

/** As `plain`, of several lines. */
export const plainLines = (text: string): string => text.split('\n').map(plain).join('\n');
