import { describe, expect, it } from 'vitest';
import { isUnsafeName } from '../../src/cli/run/unsafe-names.ts';
import { readInstant } from '../../src/cli/secrets/instants.ts';

describe('a duration', () => {
  it.each([
    ['30m', '2026-01-01T00:30:00.000Z'],
    ['8h', '2026-01-01T08:00:00.000Z'],
    ['90d', '2026-04-01T00:00:00.000Z'],
    ['2w', '2026-01-15T00:00:00.000Z'],
    ['2027-01-31T12:00:00Z', '2027-01-31T12:00:00.000Z'],
  ])('"%s" is read as an instant', (text, instant) => {
    expect(readInstant('--expires', text, Date.parse('2026-01-01T00:00:00Z'))).toBe(instant);
  });

  it.each(['1y', '-1d', '1.5h', 'tomorrow', '', '2027', '9999999d'])('"%s" is refused as an instant', (text) => {
    expect(() => readInstant('--expires', text)).toThrow('--expires must be');
  });
});

describe('the name of a variable', () => {
  it.each([
    ...['PATH', 'path', 'LD_PRELOAD', 'DYLD_INSERT_LIBRARIES', 'BASH_ENV', 'ENV', 'IFS', 'NODE_OPTIONS', 'PYTHONPATH'],
    ...['PERL5OPT', 'RUBYOPT', 'JAVA_TOOL_OPTIONS', 'GIT_SSH_COMMAND', 'EDITOR', 'PAGER', 'MAKEFLAGS', 'GNUMAKEFLAGS'],
    ...['RUSTC_WRAPPER', 'RUSTC_WORKSPACE_WRAPPER', 'TF_CLI_ARGS', 'AWS_CONFIG_FILE', 'https_proxy', 'SSL_CERT_FILE'],
    ...['KEYHOLD_CLI_SERVER', 'NPM_CONFIG_REGISTRY', 'OPENSSL_CONF', 'MAVEN_ARGS'],
  ])('programs obey the variable %s', (name) => {
    expect(isUnsafeName(name)).toBe(true);
  });

  it.each(['NODE_ENV', 'NODE_AUTH_TOKEN', 'STRIPE_KEY', 'DATABASE_URL', 'AWS_SECRET_ACCESS_KEY', 'GIT_TOKEN', 'PORT'])(
    '%s is only read',
    (name) => {
      expect(isUnsafeName(name)).toBe(false);
    },
  );
});
