import { expect, it } from 'vitest';
import { startApp } from '../support/app.ts';
import { expectStatus, keepSecret, logInAdmin, people } from '../support/people.ts';

it('a schema change under prepared statements costs a few 503 answers and no other error', async () => {
  const app = await startApp({ env: { KEYHOLD_DATABASE_CONNECTIONS: '2' } });
  try {
    const { ada } = await people(app, await logInAdmin(app), 'ada');
    const { id } = await keepSecret(ada, { value: 'kept' });
    const reveal = () => ada.call('GET', `/secrets/${id}/value`);
    const me = () => ada.call('GET', '/auth/me');
    const card = () => ada.call('GET', `/users/${ada.id}`);
    const asks = [me, reveal, card];
    for (let times = 0; times < 8; times += 1) for (const ask of asks) expectStatus(await ask(), 200);
    await app.database.client.query(
      `alter table users add column added text, alter column display_name type varchar(200);
       alter table secrets add column added text`,
    );
    const statuses: number[] = [];
    for (let times = 0; times < 8; times += 1) for (const ask of asks) statuses.push((await ask()).status);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses).toContain(503);
    expect(statuses.slice(-3)).toEqual([200, 200, 200]);
  } finally {
    await app.close();
  }
});
