// A listening UNIX socket shows that its process lives. The kernel refuses connections as soon as the process has
// ended, however it ended, and in every container that reaches the socket.

import fs from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { KeelsonError } from '../errors.js';
import { poolCall } from './fs-call.js';
import { type FileAccess, giveSocketAccess } from './permissions.js';
import type { Announcement, Liveness } from './storage.js';
import { storageError } from './storage-errors.js';

/**
 * Longest path of a socket in bytes: sun_path without its NUL. A longer path would be truncated without an error, and
 * the socket would be created elsewhere.
 */
const PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;

/** False on Windows, whose named pipes are in no directory. */
const HAS_SOCKETS = process.platform !== 'win32';

/** Errors that are reported. Any other error means that the file system has no sockets. */
const TROUBLES = ['EACCES', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOENT', 'ENOMEM', 'ENOSPC', 'EROFS'];

/** Suffix of a socket's name until it listens. */
const UNNAMED_SOCKET_SUFFIX = '.tmp';

/**
 * Listens at `path`, and returns the announcement. Returns null where no socket can be created. A process that may
 * write by `access` can connect, and so tell whether the owner lives. Errors show `shown`.
 *
 * The socket is bound under another name and then renamed: Node removes the name that a socket was bound to when the
 * event loop runs empty or a worker ends, and the name must stay to prove that the owner is dead.
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
    // If this fails, a process that may not connect takes the owner for alive.
    giveSocketAccess(bound, access);
    await poolCall('rename', shown, (callback) => fs.rename(bound, path, callback));
  } catch (error) {
    server.close();
    if (error instanceof KeelsonError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && TROUBLES.includes(code)) throw storageError(error, 'bind', shown);
    return null;
  }
  // A failed accept does no harm: the process that probes is connected already.
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

/** Returns whether a process listens at `path`. Only a refused connection proves that none does. */
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
    // Exclusive, because in a cluster worker the primary would listen, and go on listening when the worker is dead.
    server.listen({ path, exclusive: true });
  });
}
