// The packages of other databases, which are installed only where somebody loads from one.

import { CommandError } from '../command-errors.js';

/** Imports a package. Throws an error with the next step when it is not installed. */
export async function importPeer<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error;
    const next = `\`npm install ${name}\` in the folder where keelson is installed, and try again`;
    throw new CommandError('NO_PACKAGE', `The package ${name} is not installed`, next);
  }
}
