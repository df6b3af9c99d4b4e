// node rollup.js INPUT OUTPUT esm|cjs bundled|external

import commonjs from '@rollup/plugin-commonjs';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { rollup } from 'rollup';

const [input, file, format, dependencies] = process.argv.slice(2);
const bundle = await rollup({
  input,
  external: [/^node:/, ...(dependencies === 'external' ? [/^sorted-btree/, /^@msgpack/] : [])],
  plugins: [nodeResolve({ preferBuiltins: true }), commonjs()],
  onwarn: (warning) => {
    if (warning.code !== 'CIRCULAR_DEPENDENCY') console.error(`${warning.code}: ${warning.message}`);
  },
});
await bundle.write({ file, format, inlineDynamicImports: true });
