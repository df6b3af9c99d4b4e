// The code of a line of the shell. Pure.

import { Script } from 'node:vm';

/** Returns code whose value is awaited, if it is an expression. A declaration stays as it is. */
export function awaited(code: string): string {
  // In parentheses a declaration would be an expression, too, and declare nothing.
  if (/^\s*(?:async\s+)?(?:function|class)\b/.test(code)) return code;
  const expression = code.trim().replace(/;$/, '');
  try {
    new Script(`(async () => (${expression}\n))`);
    return `await (${expression}\n)\n`;
  } catch {
    return code;
  }
}
