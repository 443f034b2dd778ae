import { readdirSync, readFileSync } from 'node:fs';

/** The pids of a process and its children, such as a database server and its backends. Linux only. */
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
