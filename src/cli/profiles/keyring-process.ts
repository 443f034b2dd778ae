import { text } from 'node:stream/consumers';
import { inKeyring, type KeyringRequest } from './keyring-entry.ts';

/** Does one thing with the keyring, which came by stdin, in a process that can be killed when the keyring hangs. */
const request = JSON.parse(await text(process.stdin)) as KeyringRequest;
process.stdout.write(JSON.stringify(await inKeyring(request)));
