// Checks the imports of src/ against the table in layers.mjs: no upward import, no import of a domain other than by its
// index.ts, no cycle. Also fails if a folder is not in the table, or if fewer modules were read than there are files.
import { readdirSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Visitor } from '@swc/core/Visitor.js';
import { cruise } from 'dependency-cruiser';
import { frontDoors, layers } from '../layers.mjs';

// The visitor with which dependency-cruiser walks swc's tree does not know `using` declarations yet and throws.
const visitStatement = Visitor.prototype.visitStatement;
/** @this {Visitor} @param {any} statement */
Visitor.prototype.visitStatement = function (statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement);
  statement.decls = this.visitVariableDeclarators(statement.decls);
  return statement;
};

/** @param {string} name */
const within = (name) => (extname(name) === '' ? `^src/${name}/` : `^src/${name.replace('.', '\\.')}$`);

/** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
const forbidden = [
  { name: 'cycle', severity: 'error', from: {}, to: { circular: true } },
  ...Object.entries(layers).map(([name, allowed]) => ({
    name: `${name} may import ${allowed.join(', ') || 'nothing'}`,
    severity: /** @type {const} */ ('error'),
    from: { path: within(name) },
    to: { path: '^src/', pathNot: [name, ...allowed].map(within) },
  })),
  ...frontDoors.map((name) => ({
    name: `${name} is entered by its index.ts`,
    severity: /** @type {const} */ ('error'),
    from: { path: '^src/', pathNot: within(name) },
    to: { path: within(name), pathNot: `^src/${name}/index\\.ts$` },
  })),
];

/** @param {string} root */
const filesOf = (root) =>
  readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));

/** @param {string} root */
const unlisted = (root) =>
  readdirSync(`${root}/src`)
    .filter((name) => !Object.hasOwn(layers, name))
    .map((name) => `src/${name} is not in layers.mjs`);

/**
 * What is wrong with the imports of `root`/src, one sentence each.
 * @param {string} root
 * @returns {Promise<{ readonly modules: number, readonly wrong: readonly string[] }>}
 */
export const checkLayers = async (root) => {
  const { output } = await cruise(['src'], {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden },
    parser: 'swc',
    tsPreCompilationDeps: true,
    includeOnly: '^src/',
  });
  if (typeof output === 'string') throw new Error('dependency-cruiser returned no result');
  const { violations, totalCruised } = output.summary;
  const files = filesOf(root).length;
  const missed = totalCruised < files ? [`only ${totalCruised} of ${files} files were read`] : [];
  const found = violations.map(({ from, to, rule }) => `${from} imports ${to} (${rule.name})`);
  return { modules: totalCruised, wrong: [...missed, ...unlisted(root), ...found] };
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { modules, wrong } = await checkLayers(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const sentence of wrong) console.error(sentence);
  if (wrong.length > 0) process.exitCode = 1;
  else console.log(`Layers: ${modules} modules as in layers.mjs`);
}
