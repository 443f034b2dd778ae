/** The service's own keys, each wrapped under every root key: opening them at start proves the root keys. */
export interface ServiceKeyRow {
  id: string;
  root_key_id: string;
  /** `seal` makes the seals of rows; `lookup` makes the MACs that must outlive a seal key. */
  purpose: 'seal' | 'lookup';
  wrapped_key: string;
  created_at: Date;
}
