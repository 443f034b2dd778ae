// Brings node_modules in step with package-lock.json; quick and quiet when it is. Plain JavaScript for Node 20,
// which is what may be installed: everything after this script runs on the Node that package.json pins.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.keyhold-setup');
const lock = join(root, '.keyhold-dev', 'setup-lock');
const pinnedNode = join(modules, '.bin', 'node');
const neededMajor = 26;
const oldestMajor = 20;
const lockPatienceMs = 10 * 60_000;

class SetupError extends Error {}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** What node_modules has to be in step with. */
const wanted = () => {
  const { dependencies, devDependencies, optionalDependencies } = readJson(join(root, 'package.json'));
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(JSON.stringify([dependencies, devDependencies, optionalDependencies, process.platform, process.arch]))
    .digest('hex');
};

/** The binary is asked for its version once; after that, size and time tell that it is the same one. */
const nodeBinary = () => {
  const stat = statSync(pinnedNode, { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.size} ${stat.mtimeMs}`;
};

const isInStep = () => {
  if (!existsSync(stampFile)) return false;
  return readFileSync(stampFile, 'utf8') === stamp();
};

const stamp = () => `${wanted()} ${nodeBinary()}\n`;

const nodeIsRight = () => {
  if (nodeBinary() === null) return false;
  const { stdout } = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' });
  return (stdout ?? '').startsWith(`v${neededMajor}.`);
};

/** True if npm itself has already installed what package-lock.json says: its own record is compared. */
const isInstalledByNpm = () => {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = readJson(record).packages ?? {};
  const locked = Object.entries(readJson(join(root, 'package-lock.json')).packages).filter(([path]) => path !== '');
  const known = new Set(locked.map(([path]) => path));
  const isThere = ([path, { version, integrity, optional }]) => {
    const found = installed[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity && existsSync(join(root, path));
  };
  return (
    locked.every(isThere) && Object.entries(installed).every(([path, { optional }]) => optional || known.has(path))
  );
};

// Started by `npm start`, npm has put settings of that run into the environment which would steer this one.
const environment = () => {
  const own = /^npm_(lifecycle|package|command|config_(local_prefix|prefix|global_prefix|loglevel))/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
};

const npm = (args) => {
  const cli = process.env.npm_execpath;
  const [program, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  const quietly = ['--no-audit', '--no-fund', '--loglevel=error'];
  const run = spawnSync(program, [...first, ...args, ...quietly], {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (run.error) throw new SetupError(`npm cannot be run: ${run.error.message}`);
  return run;
};

const install = () => {
  console.error('Installing dependencies (npm ci); this happens once.');
  let { status, stderr } = npm(['ci']);
  // A lock file made where a registry has no builds for other platforms lacks them, and npm ci then refuses.
  // npm install takes what is locked as it is locked and leaves out what is optional and not to be had.
  if (status !== 0 && stderr.includes('code EUSAGE')) ({ status, stderr } = npm(['install', '--no-save']));
  if (status === 0) return;
  process.stderr.write(stderr);
  throw new SetupError('The dependencies could not be installed; see above. Repair that and start again.');
};

/** The package `node` fetches its binary in an install script, which some settings of npm forbid. */
const fetchNode = () => {
  const directory = join(modules, 'node');
  if (!existsSync(join(directory, 'installArchSpecificPackage.js'))) return;
  spawnSync(process.execPath, ['installArchSpecificPackage'], {
    cwd: directory,
    env: {
      ...environment(),
      npm_config_loglevel: 'error',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};

/** npm makes no link to a binary that wasn't there yet. */
const linkNode = () => {
  const binary = join(modules, 'node', 'bin', 'node');
  if (nodeBinary() !== null || !existsSync(binary)) return;
  mkdirSync(dirname(pinnedNode), { recursive: true });
  rmSync(pinnedNode, { force: true });
  symlinkSync(join('..', 'node', 'bin', 'node'), pinnedNode);
};

const setUp = () => {
  if (!isInstalledByNpm()) install();
  if (!nodeIsRight()) {
    fetchNode();
    linkNode();
  }
  if (!nodeIsRight()) {
    throw new SetupError(
      `Node ${neededMajor} could not be fetched by the package "node". Allow its install script: ` +
        'npm rebuild node --ignore-scripts=false',
    );
  }
  writeFileSync(stampFile, stamp());
};

const holderIsGone = () => {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'));
    process.kill(pid, 0);
    return false;
  } catch (error) {
    if (error.code !== 'ENOENT') return error.code === 'ESRCH';
    // A lock without a pid is being made or removed, unless it stays like that.
    const made = statSync(lock, { throwIfNoEntry: false });
    return made !== undefined && Date.now() - made.mtimeMs > 2_000;
  }
};

const removeAbandonedLock = () => {
  const aside = `${lock}-${process.pid}`;
  try {
    renameSync(lock, aside);
  } catch {
    return; // Another set-up removed it first.
  }
  rmSync(aside, { recursive: true, force: true });
};

const takeLock = () => {
  try {
    mkdirSync(dirname(lock), { recursive: true });
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (holderIsGone()) removeAbandonedLock();
    return false;
  }
};

/** Of several set-ups at once one works and the others wait for it. */
const inTurn = (work) => {
  const begun = Date.now();
  while (!takeLock()) {
    if (Date.now() - begun > lockPatienceMs)
      throw new SetupError(`Another set-up holds ${lock}. Remove it if none runs.`);
    sleep(100);
  }
  try {
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
};

const isUnwritable = ({ code }) => code === 'EACCES' || code === 'EROFS' || code === 'EPERM';

const main = () => {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < oldestMajor) {
    throw new SetupError(`Keyhold needs Node ${oldestMajor} or later to start, and this is ${process.version}.`);
  }
  if (isInStep()) return;
  try {
    inTurn(() => {
      if (!isInStep()) setUp();
    });
  } catch (error) {
    // Somebody else's checkout needs no stamp if it is complete.
    if (!isUnwritable(error) || !isInstalledByNpm() || !nodeIsRight()) throw error;
  }
};

try {
  main();
} catch (error) {
  const known = error instanceof SetupError || isUnwritable(error) || error.code === 'ENOSPC';
  if (!known) throw error;
  console.error(error instanceof SetupError ? error.message : `Dependencies cannot be installed: ${error.message}`);
  process.exitCode = 1;
}
