import Fastify from 'fastify';

/** The least that a Fastify service can do: one route with an answer of the size that a reveal has. */
const [port = '0', size = '100'] = process.argv.slice(2);
const frame = JSON.stringify({ id: '', name: '', version: 1, value: '' }).length;
const answer = { id: '', name: '', version: 1, value: 'x'.repeat(Math.max(0, Number(size) - frame)) };

const app = Fastify();
app.get('/constant', async () => answer);
process.on('SIGTERM', () => process.exit(0));
console.log(`listening at ${await app.listen({ host: '127.0.0.1', port: Number(port) })}`);
