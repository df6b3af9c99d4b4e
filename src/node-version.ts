// Checks the version of Node.js. Every door imports this file first, so that an older version throws this message and
// not a syntax error.

const { bun, deno, node } = process.versions;

if (bun === undefined && deno === undefined && node !== undefined && !isSupported(node)) {
  throw new Error(
    `Keelson needs Node.js 22.12 or later, or 20.19 or later of version 20; this is Node.js ${node}. Install one of those.`,
  );
}

/** Returns true for the versions in `engines` of package.json. npm only warns about others. */
export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}
