/** Written out, so that --help loads no part of the service; a test holds them equal to the service's. */
export const typeNames = [
  'ssh_key',
  'password',
  'api_key',
  'token',
  'certificate',
  'database_url',
  'infrastructure_host',
  'other',
];
