/** The service's own keys, each wrapped under every root key: opening them at start proves the root keys. */
export interface ServiceKeyRow {
  id: string;
  root_key_id: string;
  purpose: 'seal';
  wrapped_key: string;
  created_at: Date;
}
