/**
 * The house as data: each folder (or file) of src/ and what it may import. Nothing imports upward. ARCHITECTURE.md
 * shows this table, and scripts/layers-check.mjs holds the imports to it.
 */
const base = ['core', 'db', 'keys', 'events', 'audit', 'access', 'idempotency'];

/** @type {Readonly<Record<string, readonly string[]>>} */
export const layers = {
  core: [],
  outbound: ['core'],
  config: ['core', 'outbound'],
  crypto: ['core'],
  db: ['core', 'config', 'crypto'],
  keys: ['core', 'config', 'crypto', 'db'],
  events: ['core', 'db', 'keys'],
  audit: ['core', 'crypto', 'db', 'keys', 'events'],
  access: ['core', 'db', 'keys', 'audit'],
  idempotency: ['core', 'db', 'keys', 'audit'],
  users: base,
  sessions: [...base, 'users'],
  auth: [...base, 'config', 'crypto', 'users', 'sessions'],
  secrets: [...base, 'users', 'sessions'],
  graph: [...base, 'users', 'sessions', 'secrets'],
  handovers: [...base, 'users', 'secrets', 'jobs'],
  notices: [...base, 'users', 'sessions', 'secrets'],
  webhooks: [...base, 'users', 'secrets', 'notices', 'outbound'],
  jobs: ['core', 'db', 'keys', 'audit', 'access'],
  rotation: [...base, 'config', 'jobs'],
  lifecycle: [...base, 'users', 'sessions', 'auth', 'secrets', 'graph', 'handovers', 'webhooks', 'jobs'],
  backup: [
    ...['core', 'config', 'crypto', 'db', 'keys', 'events', 'audit'],
    ...['users', 'sessions', 'auth', 'secrets', 'graph', 'handovers', 'webhooks', 'lifecycle'],
  ],
  http: [
    ...[...base, 'config'],
    ...[
      'users',
      'sessions',
      'auth',
      'secrets',
      'graph',
      'handovers',
      'notices',
      'outbound',
      'webhooks',
      'jobs',
      'lifecycle',
      'rotation',
    ],
  ],
  doctor: ['core', 'config', 'crypto', 'db', 'keys'],
  'domains.ts': [
    ...base,
    'config',
    'crypto',
    'users',
    'sessions',
    'auth',
    'secrets',
    'graph',
    'handovers',
    'notices',
    'outbound',
    'webhooks',
    'jobs',
    'lifecycle',
    'rotation',
  ],
  'app.ts': ['core', 'db', 'keys', 'events', 'audit', 'access', 'lifecycle', 'http', 'domains.ts'],
  library: ['core', 'config', 'db', 'graph', 'app.ts'],
  client: [],
  cli: ['core', 'config', 'crypto', 'db', 'keys', 'audit', 'client', 'doctor', 'backup', 'app.ts'],
  'main.ts': ['cli'],
};

/**
 * Folders that others enter by their front door (index.ts) only.
 * @type {readonly string[]}
 */
export const frontDoors = [
  'keys',
  'audit',
  'access',
  'idempotency',
  'events',
  'users',
  'sessions',
  'auth',
  'secrets',
  'graph',
  'handovers',
  'notices',
  'outbound',
  'webhooks',
  'jobs',
  'lifecycle',
  'rotation',
  'backup',
  'doctor',
  'library',
  'client',
  'cli',
];
