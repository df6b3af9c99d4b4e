// The decoders of bytes that another database holds.

import { CommandError } from '../command-errors.js';

export type Decode = (bytes: Uint8Array) => unknown;

/** Returns the decoder of an encoding. Its error says which `part` of which entry has other bytes. */
export async function decoderOf(
  encoding: string,
  part: 'key' | 'value',
): Promise<(bytes: Uint8Array, number: number) => unknown> {
  const decode = await plainDecoderOf(encoding);
  return (bytes, number) => {
    try {
      return decode(bytes);
    } catch (error) {
      const what = `The ${part} of entry ${number} is not ${encoding}: ${(error as Error).message}`;
      throw new CommandError('MALFORMED', what, `Give another --${part}-encoding; bytes takes all`);
    }
  };
}

async function plainDecoderOf(encoding: string): Promise<Decode> {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  switch (encoding) {
    case 'utf8':
      return (bytes) => text.decode(bytes);
    case 'json':
      return (bytes) => JSON.parse(text.decode(bytes)) as unknown;
    case 'msgpack':
      return (await import('@msgpack/msgpack')).decode;
    default:
      return (bytes) => bytes;
  }
}
