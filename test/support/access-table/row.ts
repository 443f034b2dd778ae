import { expect } from 'vitest';
import { sampled } from '../counts.ts';
import { expectStatus } from '../people.ts';
import { type CallerName, callerNames, kindOf } from './callers.ts';
import { type Condition, describeCondition, endedSession } from './conditions.ts';
import { expected, linesOf, looksLikeNothing } from './expectations.ts';
import { type Operation, type OperationName, operationOf, type Target } from './operations.ts';
import { bytesOf, type Reply } from './requests.ts';
import { nonexistent, type World } from './world.ts';

/** One operation in one condition of the secret, with the callers whom the tables allow and refuse it. */
interface Row {
  readonly name: OperationName;
  readonly condition: Condition;
  readonly allowed: readonly CallerName[];
  readonly refused: readonly CallerName[];
}

/** What came of one cell. */
interface Tried {
  readonly caller: CallerName;
  readonly outcome: string;
}

/**
 * Tries one row of the tables. Resolves to the number of cells tried.
 *
 * The refused callers send first, all about one secret, which must then be what it was. The allowed callers follow, the
 * first of them with that same secret. Where the tables allow nobody, the obstacle is removed from the secret and its
 * owner must succeed: no row can pass because the request itself is wrong. Outside of the soak a third of the
 * refused callers try, chosen by the names of operation, condition and caller.
 */
export const checkRow = async (world: World, name: OperationName, condition: Condition): Promise<number> => {
  const row = rowOf(name, condition);
  const refused = row.refused.filter((caller) => sampled(`${rowName(row)}, ${caller}`, 3));
  const secrets = await world.newSecrets(condition, secretsOf(row), operationOf(name));
  const first = secrets[0] as Target;
  await checkRefused(world, { ...row, refused }, first);
  await checkAllowed(world, row, secrets);
  if (row.allowed.length === 0) await checkControl(world, row, first);
  return refused.length + row.allowed.length;
};

const rowOf = (name: OperationName, condition: Condition): Row => {
  const isAllowed = (caller: CallerName): boolean => expected(name, caller, condition) === 'ok';
  return {
    name,
    condition,
    allowed: callerNames.filter(isAllowed),
    refused: callerNames.filter((caller) => !isAllowed(caller)),
  };
};

const rowName = ({ name, condition }: Row): string => `${name}: ${describeCondition(condition)}`;

/** How many secrets the row needs. */
const secretsOf = ({ name, allowed }: Row): number => (operationOf(name).changes ? Math.max(1, allowed.length) : 1);

/** How many secrets of the ended session these operations need. */
export const endedSecretsFor = (names: readonly OperationName[]): number =>
  names.reduce((sum, name) => sum + secretsOf(rowOf(name, endedSession)), 0);

const checkRefused = async (world: World, row: Row, first: Target): Promise<void> => {
  const { name, condition } = row;
  const targetOf = (caller: CallerName): Target => world.specialSecret(caller, condition) ?? first;
  const ids = [...new Set(row.refused.map((caller) => targetOf(caller).id))];
  const before = await world.storedRows(ids);
  const tried = await Promise.all(
    row.refused.map(async (caller) => ({
      caller,
      outcome: await refusedOutcome(world, name, caller, condition, targetOf(caller)),
    })),
  );
  expectAsInTable(row, tried);
  expect(await world.storedRows(ids), `${rowName(row)}: a refused request changed the secret`).toBe(before);
};

const checkAllowed = async (world: World, row: Row, secrets: readonly Target[]): Promise<void> => {
  const { name, condition } = row;
  const tried = await Promise.all(
    row.allowed.map(async (caller, at) => {
      if (kindOf(caller).secret && world.specialSecret(caller, condition))
        throw new Error(`${caller} has a special secret, so the table must not allow anything`);
      const target = secrets[at] ?? (secrets[0] as Target);
      return { caller, outcome: await outcomeFor(world, operationOf(name), caller, condition, target) };
    }),
  );
  expectAsInTable(row, tried);
};

/** Nobody is allowed in this condition: once the obstacle is removed from the secret, the operation succeeds. */
const checkControl = async (world: World, row: Row, target: Target): Promise<void> => {
  const operation = operationOf(row.name);
  await removeObstacles(world, operation, row.condition, target);
  const outcome = await outcomeFor(world, operation, operation.control ?? 'owner', row.condition, target);
  expect(outcome, `${rowName(row)}: nobody is allowed, and not even the control succeeds`).toBe('ok');
};

/** Compares what came with the tables; a difference is shown with the lines of the tables that it contradicts. */
const expectAsInTable = ({ name, condition }: Row, tried: readonly Tried[]): void => {
  const differences = tried.flatMap(({ caller, outcome }) => {
    const wanted = expected(name, caller, condition);
    if (outcome === wanted) return [];
    const cell = `${name} of a secret of ${describeCondition(condition)}, by ${caller}`;
    return [`${cell}: expected ${wanted}, got ${outcome}\n${linesOf(name, caller, condition)}`];
  });
  expect(differences.join('\n\n')).toBe('');
};

const removeObstacles = async (
  { users, others }: World,
  operation: Operation,
  condition: Condition,
  { id }: Target,
): Promise<void> => {
  const owner = async (method: string, rest: string, body?: unknown): Promise<void> => {
    expectStatus(await users.owner.call(method, `/secrets/${id}${rest}`, body === undefined ? {} : { body }), 200);
  };
  if (condition.state === 'deleted') await owner('POST', '/recover');
  if (condition.state === 'inactive') await owner('POST', '/activate');
  if (condition.state === 'expired') await owner('PATCH', '', { expires_at: null });
  if (condition.state === 'use only') await owner('PATCH', '', { exposure: 'reveal' });
  if (operation.notInSession && condition.scope === 'session') await owner('POST', '/transfer', { scope: 'user' });
  if (operation.control === 'grantee') await owner('POST', '/share', { user_id: others.grantee });
};

const send = async (
  world: World,
  operation: Operation,
  caller: CallerName,
  condition: Condition,
  target: Target,
): Promise<Reply> =>
  await world.send(
    operation.request(target, world.others),
    await world.credentials(caller, condition, operation.needs),
  );

const outcomeFor = async (
  world: World,
  operation: Operation,
  caller: CallerName,
  condition: Condition,
  target: Target,
): Promise<string> => operation.outcome(await send(world, operation, caller, condition, target), target, world.others);

/**
 * The outcome of a refused cell, with every rule that the answer breaks. Where the secret must look like one that never
 * existed, the answer is compared byte by byte with the answer about one that never did.
 */
const refusedOutcome = async (
  world: World,
  name: OperationName,
  caller: CallerName,
  condition: Condition,
  target: Target,
): Promise<string> => {
  const operation = operationOf(name);
  const reply = await send(world, operation, caller, condition, target);
  const outcome = operation.outcome(reply, target, world.others) + violationOf(reply, target);
  if (!looksLikeNothing(name, caller, condition)) return outcome;
  const real = bytesWithoutNames(reply, target);
  const nonexistentOne = await bytesOfNonexistent(world, name, caller, condition, target);
  return real === nonexistentOne
    ? outcome
    : `${outcome}, unlike the answer about a secret that never existed: ${difference(real, nonexistentOne)}`;
};

/** What every refusal keeps to: no value, nothing that a cache may keep, no tag of a secret. */
const violationOf = (reply: Reply, target: Target): string => {
  if (reply.text.includes(target.value)) return ' with the value';
  if (header(reply, 'etag') !== undefined) return ' with an ETag';
  if (reply.status >= 400 && header(reply, 'cache-control') !== 'no-store') return ' that a cache may keep';
  if (reply.status >= 400 && !header(reply, 'content-type')?.startsWith('application/problem+json'))
    return ' that is no problem document';
  return (reply.status === 401) === (header(reply, 'www-authenticate') === 'Bearer') ? '' : ' with a wrong challenge';
};

const header = (reply: Reply, name: string): string | undefined => {
  const at = reply.rawHeaders.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
  return at === -1 ? undefined : reply.rawHeaders[at + 1];
};

const bytesWithoutNames = (reply: Reply, { id, name }: Target): string => bytesOf(reply, [id, name]);

const answersAboutNonexistent = new WeakMap<World, Map<string, Promise<string>>>();

/** The answer about a secret that never existed: asked for once for each operation, caller and session. */
const bytesOfNonexistent = (
  world: World,
  name: OperationName,
  caller: CallerName,
  condition: Condition,
  like: Target,
): Promise<string> => {
  const known = answersAboutNonexistent.get(world) ?? new Map<string, Promise<string>>();
  answersAboutNonexistent.set(world, known);
  const key = `${name} ${caller} ${condition.ended}`;
  const target = nonexistent(like);
  const bytes =
    known.get(key) ??
    send(world, operationOf(name), caller, condition, target).then((reply) => bytesWithoutNames(reply, target));
  known.set(key, bytes);
  return bytes;
};

const difference = (real: string, nonexistentOne: string): string => {
  const others = nonexistentOne.split('\n');
  return real
    .split('\n')
    .flatMap((line, at) => (line === others[at] ? [] : [`${line} <> ${others[at]}`]))
    .join('; ');
};
