import { text } from 'node:stream/consumers';
import { inKeyring, type KeyringRequest } from './keyring-entry.ts';

/** Sends the request on stdin to the keyring, in a process that can be killed when the keyring hangs. */
const request = JSON.parse(await text(process.stdin)) as KeyringRequest;
process.stdout.write(JSON.stringify(await inKeyring(request)));
