/** Text from elsewhere as one line that cannot control the terminal: control characters are shown as escapes. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (mark) => {
    const code = mark.codePointAt(0) ?? 0;
    return mark === '\n' || mark === '\t' ? ' ' : `\\u{${code.toString(16)}}`;
  });

/** As `printable`, but keeps line ends. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
