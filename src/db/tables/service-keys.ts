/**
 * The service's own keys, each wrapped under every root key: opening them at start proves the root keys. The wrapping of a key
 * names its purpose, its generation and whether it is retired, so that none of these can be changed without a root key.
 */
export interface ServiceKeyRow {
  id: string;
  root_key_id: string;
  /** `seal` makes the seals of rows; `lookup` makes the MACs that must outlive a seal key. */
  purpose: 'seal' | 'lookup';
  wrapped_key: string;
  created_at: Date;
  /** 1 for the first key of a purpose. The newest active one seals. */
  generation: number;
  /** An announced key verifies but does not seal yet. A retired one verifies audit records only. */
  state: 'announced' | 'active' | 'retired';
  /** When it began to seal; null for the first one and for one that is only announced. */
  promoted_at: Date | null;
}
