import { readdirSync, readFileSync } from 'node:fs';

/** A process and those that it started, such as a database server with its backends. Linux only. */
export const family = (parent: number): number[] => {
  const children = readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]) === parent
      );
    } catch {
      return false;
    }
  });
  return [parent, ...children.map(Number)];
};
