/** What a command line ends with; 130 and the like are the shell's own for signals. */
export const exitCodes = {
  ok: 0,
  /** Something unexpected. */
  failed: 1,
  /** A clear no: wrong settings, a wrong root key, a newer schema. The sentence on stderr says what to do. */
  refused: 2,
} as const;
