#!/usr/bin/env node
// Plain JavaScript that an old Node can read: it finds the Node that Keyhold needs and hands over to it.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import * as module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const neededMajor = 26;
const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const emitted = join(root, 'dist', 'main.js');
const source = join(root, 'src', 'main.ts');
const ownNode = join(root, 'node_modules', '.bin', 'node');
const ownCache = join(root, 'node_modules', '.cache', 'keyhold');
const self = fileURLToPath(import.meta.url);
const args = process.argv.slice(2);

const isNewEnough = Number(process.versions.node.split('.')[0]) >= neededMajor;

const refuse = (sentence) => {
  console.error(`keyhold: ${sentence}`);
  process.exitCode = 1;
};

/** True where the terminal itself has sent its signal to the whole foreground group, the child included. */
const terminalHasTold = () => {
  try {
    // Fields after the command's name: state, ppid, pgrp, session, tty_nr, tpgid.
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[2] === fields[5];
  } catch {
    return process.stdin.isTTY === true;
  }
};

const ofTerminal = new Set(['SIGINT', 'SIGQUIT']);
const forwarded = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'];

/** Ends as the child ended, a death by signal included. */
const endAs = (code, signal) => {
  if (signal === null) {
    process.exit(code ?? 1);
  }
  for (const name of forwarded) process.removeAllListeners(name);
  process.kill(process.pid, signal);
  // A signal that cannot be died of here.
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1000);
};

/** A child with our terminal and files. What a terminal sends reaches it once, by the terminal; the rest is passed on. */
const spawnOn = async (node) => {
  const { spawn } = await import('node:child_process');
  const child = spawn(node, [self, ...args], { stdio: 'inherit' });
  for (const signal of forwarded) {
    process.on(signal, () => {
      if (!(ofTerminal.has(signal) && terminalHasTold())) child.kill(signal);
    });
  }
  child.on('error', (error) => refuse(`${node} cannot be started (${error.code}). Run: node scripts/setup.mjs`));
  child.on('exit', endAs);
};

const handOver = async () => {
  if (typeof process.execve === 'function') {
    // The same process from here on: signals and exit code are the command's own.
    try {
      process.execve(realpathSync(ownNode), [ownNode, self, ...args], process.env);
    } catch {
      // Not on this platform.
    }
  }
  await spawnOn(ownNode);
};

/**
 * Compiled code and stripped types are kept beside the dependencies, which are trusted as much; not in the temporary
 * directory that Node would take, where anybody may leave something.
 */
const runSource = async () => {
  module.enableCompileCache?.(ownCache);
  await import(source);
};

if (existsSync(source)) {
  if (isNewEnough) await runSource();
  else if (existsSync(ownNode)) await handOver();
  else refuse('the dependencies of this checkout are missing. Run: node scripts/setup.mjs');
} else if (isNewEnough) await import(emitted);
else refuse(`Keyhold needs Node ${neededMajor} or later, and this is ${process.version}.`);
