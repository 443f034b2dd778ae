// Installs the dependencies of package-lock.json if they are not up to date, and does nothing otherwise. Plain JavaScript
// for Node 20, which may be the only one installed. Everything after this script runs on the Node that package.json pins.
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
const requiredMajor = 26;
const minMajor = 20;
const maxLockWaitMs = 10 * 60_000;

class SetupError extends Error {}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** A hash of everything that node_modules depends on. */
const inputsHash = () => {
  const { dependencies, devDependencies, optionalDependencies } = readJson(join(root, 'package.json'));
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(JSON.stringify([dependencies, devDependencies, optionalDependencies, process.platform, process.arch]))
    .digest('hex');
};

/** Identifies the binary by its size and time, so that its version is asked for only once. */
const nodeBinary = () => {
  const stat = statSync(pinnedNode, { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.size} ${stat.mtimeMs}`;
};

const isUpToDate = () => {
  if (!existsSync(stampFile)) return false;
  return readFileSync(stampFile, 'utf8') === stamp();
};

const stamp = () => `${inputsHash()} ${nodeBinary()}\n`;

const nodeIsRight = () => {
  if (nodeBinary() === null) return false;
  const { stdout } = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' });
  return (stdout ?? '').startsWith(`v${requiredMajor}.`);
};

/** Whether npm itself has installed what package-lock.json says, by npm's own record. */
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

// `npm start` has put settings of its own run into the environment, which would affect the npm that runs here.
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
  // npm ci refuses a lock file that was made with a registry without the builds for other platforms. npm install installs
  // the locked versions and leaves out optional packages that are not available.
  if (status !== 0 && stderr.includes('code EUSAGE')) ({ status, stderr } = npm(['install', '--no-save']));
  if (status === 0) return;
  process.stderr.write(stderr);
  throw new SetupError('The dependencies could not be installed; see above. Correct that and start again.');
};

/** The package `node` downloads its binary in an install script, which npm may be configured not to run. */
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

/** npm creates no link to a binary that did not exist at that moment. */
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
      `The package "node" could not download Node ${requiredMajor}. Allow its install script: ` +
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
    // A lock without a pid is just being created or removed, unless it stays like that.
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

/** If several set-ups run at the same time, one works and the others wait for it. */
const inTurn = (work) => {
  const startedAt = Date.now();
  while (!takeLock()) {
    if (Date.now() - startedAt > maxLockWaitMs)
      throw new SetupError(`Another set-up has locked ${lock}. Remove it if no other set-up runs.`);
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
  if (major < minMajor) {
    throw new SetupError(`Keyhold needs Node ${minMajor} or later to start, and this is ${process.version}.`);
  }
  if (isUpToDate()) return;
  try {
    inTurn(() => {
      if (!isUpToDate()) setUp();
    });
  } catch (error) {
    // A checkout that we may not write needs no stamp if it is complete.
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
