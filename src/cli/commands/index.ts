import type { Registration } from './registration.ts';

/** The module of a command: its help, and its code or where that is. */
interface CommandModule {
  register(registration: Registration): void;
}

interface Group {
  /** The heading in `keyhold --help`. */
  readonly heading: string;
  /** Each command's module, by the command's name. A command line loads no other. */
  readonly commands: Readonly<Record<string, () => Promise<CommandModule>>>;
}

/** All commands, in the order of `keyhold --help`. */
const groups: readonly Group[] = [
  {
    heading: 'Your account:',
    commands: {
      login: () => import('./login.ts'),
      logout: () => import('./logout.ts'),
      whoami: () => import('./whoami.ts'),
      notices: () => import('./notices.ts'),
      events: () => import('./events.ts'),
      token: () => import('./token.ts'),
      profile: () => import('./profile.ts'),
    },
  },
  {
    heading: 'Secrets:',
    commands: {
      ls: () => import('./ls.ts'),
      status: () => import('./status.ts'),
      get: () => import('./get.ts'),
      set: () => import('./set.ts'),
      edit: () => import('./edit.ts'),
      share: () => import('./share.ts'),
      unshare: () => import('./unshare.ts'),
      access: () => import('./access.ts'),
      history: () => import('./history.ts'),
      transfer: () => import('./transfer.ts'),
      handover: () => import('./handover.ts'),
      deactivate: () => import('./deactivate.ts'),
      activate: () => import('./activate.ts'),
      rm: () => import('./rm.ts'),
      recover: () => import('./recover.ts'),
      run: () => import('./run.ts'),
      import: () => import('./import.ts'),
      export: () => import('./export.ts'),
    },
  },
  { heading: 'Sessions:', commands: { session: () => import('./session.ts') } },
  { heading: 'Memory:', commands: { graph: () => import('./graph.ts') } },
  { heading: 'Being told:', commands: { webhook: () => import('./webhook.ts') } },
  {
    heading: 'The service:',
    commands: {
      serve: () => import('./serve.ts'),
      migrate: () => import('./migrate.ts'),
      doctor: () => import('./doctor.ts'),
      backup: () => import('./backup.ts'),
      restore: () => import('./restore.ts'),
      audit: () => import('./audit.ts'),
      admin: () => import('./admin.ts'),
      keys: () => import('./keys.ts'),
      keygen: () => import('./keygen.ts'),
    },
  },
  { heading: 'The shell:', commands: { completion: () => import('./completion.ts') } },
];

/** Registers the command that a command line begins with, or all commands where it begins with none. */
export const registerCommands = async (registration: Registration, [first = '']: readonly string[]): Promise<void> => {
  const isNamed = groups.some(({ commands }) => Object.hasOwn(commands, first));
  for (const { heading, commands } of groups) {
    registration.program.commandsGroup(heading);
    for (const [name, load] of Object.entries(commands)) {
      if (!isNamed || name === first) (await load()).register(registration);
    }
  }
};
