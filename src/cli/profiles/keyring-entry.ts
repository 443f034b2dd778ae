/** A request to the keyring. The response is the secret, or whether it succeeded. */
export type KeyringRequest =
  | { readonly verb: 'get'; readonly account: string }
  | { readonly verb: 'remove'; readonly account: string }
  | { readonly verb: 'put'; readonly account: string; readonly secret: string };

const service = 'keyhold';

/**
 * Sends a request to the system keyring; null where there is none, or it returns nothing. On Linux that is the Secret
 * Service only, since the kernel's keyring does not survive a reboot.
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
    // There is no prebuilt binary, bus or service, or the keyring stayed locked: all count as no keyring.
    return null;
  }
};
