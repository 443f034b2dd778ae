// Loads the typed client as a browser would: with what the web platform offers, without `process`, `Buffer`, `require` or any
// module of Node. Run with --experimental-vm-modules; prints what became of each call as JSON.
import { readFile } from 'node:fs/promises';
import { createContext, SourceTextModule } from 'node:vm';

const [, , entry, server, token] = process.argv;

const web = {
  ...{ fetch, URL, URLSearchParams, Headers, Request, Response, AbortController, AbortSignal },
  ...{ TextEncoder, TextDecoder, setTimeout, clearTimeout },
};
const context = createContext(web);
const modules = new Map();

const load = (url) => {
  const read = async () => new SourceTextModule(await readFile(url, 'utf8'), { context, identifier: url.href });
  // A module that two others import is one module.
  if (!modules.has(url.href)) modules.set(url.href, read());
  return modules.get(url.href);
};

const link = (specifier, from) => {
  if (!/^\.\.?\//.test(specifier)) throw new Error(`${from.identifier} imports ${specifier}, which no browser has`);
  return load(new URL(specifier, from.identifier));
};

const client = await load(new URL(entry));
await client.link(link);
await client.evaluate();
const { createKeyholdClient, dataOf, pages } = client.namespace;

const outcome = async (call) => {
  try {
    return await call();
  } catch (error) {
    return { name: error.name, kind: error.kind, code: error.problem?.code, message: error.message };
  }
};

const named = createKeyholdClient({ server, token });
const listed = [];
const body = { name: 'FROM_A_BROWSER', type: 'other', value: 'a value', scope: 'user' };
const outcomes = {
  created: await outcome(async () => (await named.POST('/api/v1/secrets', { body })).response.status),
  revealed: await outcome(async () => {
    const { secrets } = await dataOf(named.POST('/api/v1/secrets/reveal', { body: { names: [body.name] } }));
    return secrets[0].value;
  }),
  listed: await outcome(async () => {
    const query = { limit: 1 };
    const list = (cursor) => dataOf(named.GET('/api/v1/secrets', { params: { query: { ...query, ...cursor } } }));
    for await (const page of pages(list)) listed.push(...page.secrets.map((secret) => secret.name));
    return listed;
  }),
  refused: await outcome(() => createKeyholdClient({ server }).GET('/api/v1/secrets')),
  unreachable: await outcome(() => createKeyholdClient({ server: 'http://127.0.0.1:9' }).GET('/healthz')),
  late: await outcome(() => createKeyholdClient({ server: process.argv[5], timeoutMs: 200 }).GET('/healthz')),
  redirected: await outcome(() => createKeyholdClient({ server: process.argv[6] }).GET('/healthz')),
};
process.stdout.write(JSON.stringify(outcomes));
