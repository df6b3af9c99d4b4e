// A process shows that it lives by a listening UNIX socket. The kernel refuses connections to it from the moment at which
// the process has ended, by whatever end, and it does not matter from which container one looks.

import fs from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { KeelsonError } from '../errors.js';
import { poolCall } from './fs-call.js';
import { type FileAccess, giveSocketAccess } from './permissions.js';
import type { Announcement, Liveness } from './storage.js';
import { storageError } from './storage-errors.js';

/** A longer path is cut in silence, and the socket lands elsewhere: sun_path without its last byte. */
const PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;

/** Windows has named pipes, which are in no directory. */
const HAS_SOCKETS = process.platform !== 'win32';

/** What says that there is something wrong here and now. Everything else says that there are no sockets here. */
const TROUBLES = ['EACCES', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOENT', 'ENOMEM', 'ENOSPC', 'EROFS'];

/** What a socket is called until it listens. */
export const UNNAMED_SOCKET_SUFFIX = '.tmp';

/**
 * Listens at `path`; errors show `shown`. Whoever may write by `access` can connect, and so
 * prove that an owner lives or is dead. Null where there can be no socket. It is bound under another name first: Node
 * removes the name that a socket was bound to when the event loop runs empty, or a worker ends, and then nothing would be
 * left to prove that an owner is dead.
 */
export async function announceAt(
  path: string,
  shown: string,
  access: FileAccess,
): Promise<Announcement | null> {
  const bound = `${path}${UNNAMED_SOCKET_SUFFIX}`;
  if (!HAS_SOCKETS || Buffer.byteLength(bound) > PATH_BYTES_MAX) return null;
  const server = createServer((socket) => socket.destroy());
  try {
    await listening(server, bound);
    // Where it cannot be had, whoever may not connect takes the owner for alive.
    giveSocketAccess(bound, access);
    await poolCall('rename', shown, (callback) => fs.rename(bound, path, callback));
  } catch (error) {
    server.close();
    if (error instanceof KeelsonError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && TROUBLES.includes(code)) throw storageError(error, 'bind', shown);
    return null;
  }
  // A connection that cannot be accepted has been answered all the same: whoever looked is connected.
  server.on('error', () => {});
  server.unref();
  let closing: Promise<void> | null = null;
  const close = async (keepsName: boolean) => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    if (keepsName) return;
    await poolCall('unlink', shown, (callback) => fs.unlink(path, callback)).catch(() => {});
  };
  return {
    close(keepsName = false) {
      closing ??= close(keepsName);
      return closing;
    },
  };
}

/** Whether somebody listens at `path`. Only a refused connection proves that nobody does. */
export function probeAt(path: string): Promise<Liveness> {
  if (!HAS_SOCKETS || Buffer.byteLength(path) > PATH_BYTES_MAX) return Promise.resolve('unknown');
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.on('connect', () => {
      socket.destroy();
      resolve('live');
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'ECONNREFUSED' ? 'dead' : 'unknown'),
    );
  });
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    // Exclusive: in a worker of a cluster the primary would listen, and go on when the worker is dead.
    server.listen({ path, exclusive: true });
  });
}
