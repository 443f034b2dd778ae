import { text } from 'node:stream/consumers';
import { type Asked, inKeyring } from './keyring-entry.ts';

/** Does one thing with the keyring, which came by stdin, in a process that can be killed when the keyring hangs. */
const asked = JSON.parse(await text(process.stdin)) as Asked;
process.stdout.write(JSON.stringify(await inKeyring(asked)));
