/** The formats of files that an import reads. */
export const formats = ['env', 'json', 'yaml', 'store'] as const;
export type Format = (typeof formats)[number];
