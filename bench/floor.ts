import Fastify from 'fastify';
import pg from 'pg';
import { createBatcher } from '../src/core/batch.ts';
import { newId } from '../src/core/ids.ts';
import { publicRandom } from '../src/core/random.ts';

/*
 * The least that a service can do that keeps a flushed record of each request: Fastify, and an insert into the product's own
 * audit_log by the same driver, in batches of the same size. It asks who nobody is, decides nothing, and seals nothing.
 */

const [connectionString = '', size = '100'] = process.argv.slice(2);
const frame = JSON.stringify({ id: '', name: '', version: 1, value: '' }).length;
const answer = { id: '', name: '', version: 1, value: 'x'.repeat(Math.max(0, Number(size) - frame)) };

const pool = new pg.Pool({ connectionString, max: 3 });
const hex = (bytes: Uint8Array): string => `\\x${Buffer.from(bytes).toString('hex')}`;

const recordOf = (actor_id: string) => ({
  ...{ id: newId<string>(), recorded_at: new Date(), request_id: newId<string>(), actor_id, agent: null },
  ...{
    session_id: null,
    token_id: actor_id,
    action: 'secret.reveal',
    target_type: 'secret',
    target_id: newId<string>(),
  },
  ...{ outcome: 'allowed', reason: 'owner', ip: '127.0.0.1', user_agent: null, details: { version: 1 } },
  ...{ nonce: hex(publicRandom(16)), seal: hex(publicRandom(33)) },
});

const write = createBatcher<string, true>(
  async (actors) => {
    const records = JSON.stringify(actors.map(recordOf));
    const text = 'insert into public.audit_log select * from json_populate_recordset(null::public.audit_log, $1::json)';
    await pool.query({ name: 'floor', text, values: [records] });
    return actors.map(() => true);
  },
  { maxBatchSize: 64, concurrency: 3, isSharedFailure: () => true },
);

const app = Fastify();
const actor = newId<string>();
app.get('/constant', async () => {
  await write(actor);
  return answer;
});
process.on('SIGTERM', () => process.exit(0));
console.log(`listening at ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
