/** What can be request of the keyring; the answer is the secret, or whether it was done. */
export type KeyringRequest =
  | { readonly verb: 'get'; readonly account: string }
  | { readonly verb: 'remove'; readonly account: string }
  | { readonly verb: 'put'; readonly account: string; readonly secret: string };

const service = 'keyhold';

/**
 * Does it, by the system's own library; null where there is no keyring or it gives nothing. On Linux only the Secret
 * Service counts: the kernel's keyring forgets at reboot.
 */
export const inKeyring = async (request: KeyringRequest): Promise<string | boolean | null> => {
  try {
    const { AsyncEntry } = await import('@napi-rs/keyring');
    const entry = new AsyncEntry(service, request.account, { linux: { store: 'secret-service' } });
    if (request.verb === 'get') return await entry.getPassword();
    if (request.verb === 'remove') return await entry.deleteCredential();
    await entry.setPassword(request.secret);
    return (await entry.getPassword()) === request.secret;
  } catch {
    // No prebuilt binary, no bus, no service on it, locked: all the same to us, there is no keyring.
    return null;
  }
};
