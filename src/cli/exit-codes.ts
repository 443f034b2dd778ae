/** The exit codes of the command line. docs/cli.md shows them with their meanings. */
export const exitCodes = {
  ok: 0,
  /** Something unexpected, here or in the service. */
  failed: 1,
  /** The command line, the input or the settings are wrong. */
  usage: 2,
  /** Nothing has this name or id, or the user has no access to it. */
  notFound: 3,
  /** The user is not allowed to do this. */
  refused: 4,
  /** Not logged in, or the login has expired or was revoked. */
  loggedOut: 5,
  /** The state of things forbids it: a name is taken, or a secret is in the wrong state. */
  conflict: 6,
  /** The service cannot be reached or is overloaded, or the server is not a Keyhold service. */
  unreachable: 7,
  /** Several secrets have the name; stderr lists them. */
  ambiguous: 8,
  /** Output, a file or the settings could not be written. */
  notWritten: 9,
  /** Ctrl-C, or a confirmation that was declined. */
  interrupted: 130,
  /** The reader of the output closed it (128 + SIGPIPE). */
  brokenPipe: 141,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The meaning of each code in the reference. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done',
  failed: 'an unexpected error, here or in the service',
  usage: 'the command line, the input or the settings are wrong',
  notFound: 'not found, or you do not have access',
  refused: 'you are not allowed to do this',
  loggedOut: 'not logged in, or the login has expired or was revoked',
  conflict: 'a conflict: the name is taken, or the secret is in the wrong state',
  unreachable: 'the service cannot be reached or is overloaded, or the server is not a Keyhold service',
  ambiguous: 'several secrets have this name; stderr lists them',
  notWritten: 'output, a file or the settings could not be written',
  interrupted: 'interrupted by Ctrl-C, or the confirmation was declined',
  brokenPipe: 'the reader of the output closed it',
};
