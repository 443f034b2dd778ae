import { type Command, Option } from 'commander';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { repeated } from '../graph/entities.ts';
import type { ActivitiesOptions, NeighboursOptions, PathOptions, SearchOptions } from '../graph/read.ts';
import type { ExportOptions, ImportOptions } from '../graph/transfer.ts';
import type { AddOptions, FactOptions, ForgetOptions, UpdateOptions } from '../graph/write.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Name an entity by its id or its exact name; put "--" before a name that begins with "-". docs/graph.md says who sees what.
${examples(
  'keyhold graph add TECHNOLOGY billing-service --observation "It reads STRIPE_KEY when it starts."',
  'keyhold graph search stripe',
  'keyhold graph import memory.json',
)}`;

const loadReads = () => import('../graph/read.ts');
const loadWrites = () => import('../graph/write.ts');
const loadTransfer = () => import('../graph/transfer.ts');

export const register = ({ program, context }: Registration): void => {
  const graph = program
    .command('graph')
    .description('what you and your agents remember: entities, observations and relations')
    .addHelpText('after', help);
  registerFinding(graph, context);
  registerTraversals(graph, context);
  registerMaking(graph, context);
  registerChanging(graph, context);
  registerTransfer(graph, context);
};

const modes = ['session', 'all', 'audience'];

const reads = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--mode <mode>',
        'which facts: yours and the session’s, yours and all sessions’, or what every participant may see',
      ).choices(modes),
    )
    .option('--as-of <when>', 'what held at this time, such as 2027-01-31T12:00:00Z');

const inOwn = (command: Command): Command =>
  command.option('--own', 'in your own memory, whatever the session of the command line is');

const repeatable = (flags: string, description: string): Option =>
  new Option(flags, `${description}; may be repeated`).argParser(repeated);

const entity = '<entity>';
const entityHelp = 'its id or exact name';

const registerFinding = (graph: Command, context: CliContext): void => {
  reads(graph.command('search'))
    .description('search names, aliases, tags, attributes and observations')
    .argument('<words...>', 'what to look for; every sign is text')
    .option('--type <type>', 'only entities of this type')
    .option('--tag <tag>', 'only entities with this tag')
    .option('--since <when>', 'only what was recorded at this time or later')
    .option('--until <when>', 'only what was recorded before this time')
    .option('--limit <number>', 'how many are shown, up to 100 (default: 10)')
    .addHelpText('after', examples('keyhold graph search stripe key', 'keyhold graph search deploy --tag backend'))
    .action(async (words: string[], options: SearchOptions) => (await loadReads()).search(context, words, options));
  inOwn(reads(graph.command('show')))
    .description('show an entity with its observations and relations')
    .argument(entity, entityHelp)
    .addHelpText('after', examples('keyhold graph show billing-service', 'keyhold graph show -- -v'))
    .action(async (name: string, options) => (await loadReads()).show(context, name, options));
  reads(graph.command('activities'))
    .description('list what was done in the session of the command line, newest first')
    .option('--limit <number>', 'how many are shown, up to 200 (default: 50)')
    .addHelpText('after', examples('keyhold graph activities --session chat-42'))
    .action(async (options: ActivitiesOptions) => (await loadReads()).activities(context, options));
};

const registerTraversals = (graph: Command, context: CliContext): void => {
  inOwn(reads(graph.command('neighbours')))
    .description('show what is related to an entity')
    .argument(entity, entityHelp)
    .option('--hops <number>', 'how far to go, 1 to 4 (default: 1)')
    .addOption(new Option('--direction <direction>', 'only relations to it, or from it').choices(['in', 'out', 'both']))
    .addOption(repeatable('--relation <type>', 'only relations of this type'))
    .option('--limit <number>', 'how many entities are shown, up to 1000 (default: 100)')
    .addHelpText(
      'after',
      examples('keyhold graph neighbours billing-service', 'keyhold graph neighbours ledger --hops 2 --direction in'),
    )
    .action(async (name: string, options: NeighboursOptions) => (await loadReads()).neighbours(context, name, options));
  inOwn(reads(graph.command('path')))
    .description('show a shortest path between two entities')
    .argument('<from>', entityHelp)
    .argument('<to>', entityHelp)
    .option('--max-hops <number>', 'how long it may be, 1 to 6 (default: 6)')
    .addHelpText('after', examples('keyhold graph path billing-service ledger'))
    .action(async (from: string, to: string, options: PathOptions) =>
      (await loadReads()).path(context, from, to, options),
    );
};

const facts = (command: Command): Command =>
  inOwn(command)
    .option('--source <text>', 'where it is known from, such as an address')
    .option('--confidence <number>', 'how sure it is, from 0 to 1')
    .option('--valid-at <when>', 'since when it holds')
    .option('--invalid-at <when>', 'from when on it holds no longer');

const registerMaking = (graph: Command, context: CliContext): void => {
  inOwn(graph.command('add'))
    .description('remember an entity, and print its id')
    .argument('<type>', 'such as PERSON, DECISION or TECHNOLOGY, or a word of your own')
    .argument('<name>')
    .addOption(repeatable('--observation <text>', 'what is known of it'))
    .addOption(repeatable('--tag <tag>', 'a tag'))
    .addOption(repeatable('--attribute <key=value>', 'an attribute'))
    .addHelpText(
      'after',
      examples(
        'keyhold graph add TECHNOLOGY billing-service --attribute language=Go --tag backend',
        'keyhold graph add DECISION "Use PostgreSQL" --observation "Decided on 3 March." --session chat-42',
      ),
    )
    .action(async (type: string, name: string, options: AddOptions) =>
      (await loadWrites()).add(context, type, name, options),
    );
  facts(graph.command('observe'))
    .description('add observations to an entity, and print their ids')
    .argument(entity, entityHelp)
    .argument('<text...>', 'what is known of it, each as one argument')
    .addHelpText('after', examples('keyhold graph observe billing-service "It listens on port 8080."'))
    .action(async (name: string, texts: string[], options: FactOptions) =>
      (await loadWrites()).observe(context, name, texts, options),
    );
  facts(graph.command('relate'))
    .description('relate two entities, and print the relation’s id')
    .argument('<from>', entityHelp)
    .argument('<type>', 'such as depends_on, or a word of your own')
    .argument('<to>', entityHelp)
    .addHelpText('after', examples('keyhold graph relate billing-service depends_on ledger'))
    .action(async (from: string, type: string, to: string, options: FactOptions) =>
      (await loadWrites()).relate(context, [from, type, to], options),
    );
};

const registerChanging = (graph: Command, context: CliContext): void => {
  inOwn(graph.command('update'))
    .description('change an entity’s name, tags or attributes')
    .argument(entity, entityHelp)
    .option('--name <name>', 'a new name')
    .addOption(repeatable('--tag <tag>', 'a tag to add'))
    .addOption(repeatable('--remove-tag <tag>', 'a tag to remove'))
    .addOption(repeatable('--attribute <key=value>', 'an attribute to set'))
    .addOption(repeatable('--remove-attribute <key>', 'an attribute to remove'))
    .addHelpText('after', examples('keyhold graph update billing-service --name billing --tag payments'))
    .action(async (name: string, options: UpdateOptions) => (await loadWrites()).update(context, name, options));
  inOwn(graph.command('merge'))
    .description('merge an entity into another one, which gets its observations, relations and names')
    .argument(entity, entityHelp)
    .argument('<into>', entityHelp)
    .addHelpText('after', examples('keyhold graph merge "billing service" billing-service'))
    .action(async (name: string, into: string, options) => (await loadWrites()).merge(context, name, into, options));
  inOwn(graph.command('forget'))
    .description('forget an entity, or only some observations or one relation of it')
    .argument(entity, entityHelp)
    .addOption(repeatable('--observation <text>', 'forget only the observation of exactly this text'))
    .option('--relation <type>', 'forget only the relation of this type to the entity that --to names')
    .option('--to <entity>', 'the other end of the relation')
    .option('-y, --yes', 'skip the confirmation')
    .addHelpText(
      'after',
      examples(
        'keyhold graph forget billing-service',
        'keyhold graph forget billing-service --observation "It listens on port 8080." --yes',
      ),
    )
    .action(async (name: string, options: ForgetOptions) => (await loadWrites()).forget(context, name, options));
};

const format = (): Option =>
  new Option('--format <format>', 'JSON lines as the MCP memory server keeps them, or one JSON document').choices([
    'jsonl',
    'json',
  ]);

const registerTransfer = (graph: Command, context: CliContext): void => {
  inOwn(graph.command('import'))
    .description('import the file of an MCP memory server, or an export; all or nothing')
    .addArgument(argumentFrom('files', '<file>', 'the file, or - for stdin'))
    .addOption(format().hideHelp())
    .option('--drop-dangling', 'leave out relations to names that neither the file nor the graph has')
    .addHelpText('after', examples('keyhold graph import memory.json', 'keyhold graph import - < memory.json'))
    .action(async (file: string, options: ImportOptions) => (await loadTransfer()).importFile(context, file, options));
  inOwn(reads(graph.command('export')))
    .description('print what you remember')
    .addOption(format())
    .addHelpText('after', examples('keyhold graph export > memory.jsonl', 'keyhold graph export --format json'))
    .action(async (options: ExportOptions) => (await loadTransfer()).exportAll(context, options));
  graph
    .command('erase')
    .description('forget everything that you and your agents remembered, in every session, and print a receipt')
    .option('-y, --yes', 'skip the confirmation')
    .addHelpText('after', examples('keyhold graph erase'))
    .action(async (options: { yes?: boolean }) => (await loadTransfer()).erase(context, options));
};
