/** What a secret can be. In a file of its own, so that the command line's help knows them without loading the service. */
export const secretTypes = [
  'ssh_key',
  'password',
  'api_key',
  'token',
  'certificate',
  'database_url',
  'infrastructure_host',
  'other',
] as const;
export type SecretType = (typeof secretTypes)[number];
