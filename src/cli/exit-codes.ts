/** What a command line ends with, and what each of them tells a script. docs/cli.md shows this table. */
export const exitCodes = {
  ok: 0,
  /** Something unexpected, here or in the service. */
  failed: 1,
  /** The command line, the input or the settings are wrong. The sentence on stderr says what to do. */
  usage: 2,
  /** There is nothing of this name or id that you can reach. */
  notFound: 3,
  /** You may not do this. */
  refused: 4,
  /** Not logged in, or the login has expired or was revoked. */
  loggedOut: 5,
  /** It clashes with what is there: a taken name, a secret that is not in the state for it. */
  conflict: 6,
  /** The service cannot be reached, is overloaded, or something else answers there. */
  unreachable: 7,
  /** Several secrets bear the name; stderr lists them. */
  ambiguous: 8,
  /** Output, a file or the settings could not be written. */
  notWritten: 9,
  /** Ctrl-C, or a question that was answered with no. */
  interrupted: 130,
  /** Whoever read the output stopped reading (128 + SIGPIPE). */
  brokenPipe: 141,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The sentence for each code, as the reference shows it. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done',
  failed: 'something unexpected, here or in the service',
  usage: 'the command line, the input or the settings are wrong',
  notFound: 'there is nothing of this name or id that you can reach',
  refused: 'you may not do this',
  loggedOut: 'not logged in, or the login has expired or was revoked',
  conflict: 'it clashes with what is there: a taken name, or a secret that is not in the state for it',
  unreachable: 'the service cannot be reached, is overloaded, or something else answers there',
  ambiguous: 'several secrets bear the name; stderr lists them',
  notWritten: 'output, a file or the settings could not be written',
  interrupted: 'interrupted by Ctrl-C, or the question was answered with no',
  brokenPipe: 'whoever read the output stopped reading',
};
