/**
 * Finds what the person has installed: a binary by its path, in an npm folder that the person names, or on PATH. Installs nothing.
 *
 * In an npm folder the binary itself is taken, not the script that npm links: that one would stay in front of it as a process of Node.
 */

import { execFileSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';

import { PeerMissing } from './peer.ts';
import type { PeerName } from './peer.ts';

export interface PeerPlaces {
  /** A folder with the node_modules of the peers. */
  readonly npmFolder?: string | undefined;
  /** Path of restate-server. */
  readonly restate?: string | undefined;
  /** Path of workerd. */
  readonly workerd?: string | undefined;
}

export interface Installed {
  readonly binary: string;
  /** As it says itself. */
  readonly version: string;
}

const ARCH_OF_WORKERD: Readonly<Record<string, string>> = { x64: '64', arm64: 'arm64' };

const HOW: Readonly<Record<PeerName, string>> = {
  restate: 'npm install --prefix <folder> @restatedev/restate-server @restatedev/restate-sdk',
  workerd: 'npm install --prefix <folder> workerd',
};

const OPTION: Readonly<Record<PeerName, string>> = { restate: '--restate <path to restate-server>', workerd: '--workerd <path to workerd>' };

/** @throws PeerMissing */
export function findPeer(name: PeerName, places: PeerPlaces): Installed {
  const named = places[name];
  if (named !== undefined && !isProgram(named)) throw new PeerMissing(`${named} is no program that can be run`);
  const binary = named ?? [...inFolder(name, places.npmFolder), ...onPath(name)].find(isProgram);
  if (binary === undefined) throw new PeerMissing(missing(name, name === 'restate' ? 'restate-server' : 'workerd'));
  return { binary: resolve(binary), version: versionOf(binary) };
}

/** Where Restate's SDK for TypeScript is loaded from. @throws PeerMissing */
export function findRestateSdk(places: PeerPlaces): string {
  const sdk = '@restatedev/restate-sdk';
  if (places.npmFolder === undefined) throw new PeerMissing(missing('restate', sdk));
  try {
    return createRequire(join(resolve(places.npmFolder), 'from.cjs')).resolve(sdk);
  } catch {
    throw new PeerMissing(missing('restate', sdk));
  }
}

function missing(name: PeerName, what: string): string {
  return `${what} is not installed. Install it with: ${HOW[name]} ; then name the folder: --peer-folder <folder> (or ${OPTION[name]}). It is never installed by itself.`;
}

function inFolder(name: PeerName, folder: string | undefined): string[] {
  if (folder === undefined) return [];
  const modules = join(folder, 'node_modules');
  return name === 'restate'
    ? [join(modules, `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`)]
    : [join(modules, `@cloudflare/workerd-${process.platform}-${ARCH_OF_WORKERD[process.arch] ?? process.arch}/bin/workerd`)];
}

function onPath(name: PeerName): string[] {
  const program = name === 'restate' ? 'restate-server' : 'workerd';
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '').map((folder) => join(folder, program));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function versionOf(binary: string): string {
  try {
    const said = execFileSync(binary, ['--version'], { encoding: 'utf8', timeout: 20_000 }).trim();
    return said.replace(/^\S+ /, '');
  } catch (error) {
    throw new PeerMissing(`${binary} --version does not run: ${error instanceof Error ? error.message : String(error)}`);
  }
}
