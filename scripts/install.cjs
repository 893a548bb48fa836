'use strict';

/*
 * Puts into node_modules what package-lock.json names, and makes sure that the pinned Node is among it. Same old
 * JavaScript as launch.cjs, for the same reason.
 *
 * Install scripts of packages are not run: of all dependencies only `node` needs its own (it fetches the binary for this
 * platform; isolated-vm and buf bring theirs along), and newer versions of npm ask before they run any, or skip them
 * silently. So that one script is run here by name, and its result is checked.
 */

var childProcess = require('child_process');
var fs = require('fs');
var path = require('path');
var launch = require('./launch.cjs');

function say(text) {
  process.stderr.write(text + '\n');
}

/** Installs when something is missing or changed. False, after saying why, when that failed. */
function ensureInstalled(root) {
  if (!launch.installed(root)) {
    say('troupe: installing the dependencies named in package-lock.json (once, and after it changed; about half a gigabyte on disk) ...');
    var problem = npm(root, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
    if (problem !== null) {
      say('error INSTALL_FAILED: `npm ci` ' + problem + '.');
      say('hint: npm\'s own message is above. It needs its registry (or a filled cache) and write access to this folder; `npm ci` alone shows more.');
      return false;
    }
  }
  return ensureNode(root);
}

function ensureNode(root) {
  if (launch.binaryProblem(root) !== null) {
    say('troupe: fetching Node ' + launch.nodeVersionWanted(root) + ' for ' + process.platform + ' ' + process.arch + ' into node_modules ...');
    childProcess.spawnSync(process.execPath, ['installArchSpecificPackage.js'], {
      cwd: path.join(root, 'node_modules', 'node'),
      env: plainEnvironment(),
      stdio: ['ignore', 2, 2],
    });
    var problem = launch.binaryProblem(root);
    if (problem !== null) {
      say('error NODE_MISSING: Node ' + launch.nodeVersionWanted(root) + ', on which Troupe runs, could not be installed: ' + problem + '.');
      say('hint: it comes from the npm package "node"; check that the registry can be reached and that this platform has a build, then run the same command again.');
      return false;
    }
  }
  linkNode(root);
  launch.stamp(root);
  return true;
}

/** npm links only what is there when it installs, which the binary was not; node_modules/.bin/node is what tools expect. */
function linkNode(root) {
  if (process.platform === 'win32') return;
  var link = path.join(root, 'node_modules', '.bin', 'node');
  try {
    fs.symlinkSync(path.join('..', 'node', 'bin', 'node'), link);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}

/** Null when npm ended well, else what became of it. npm's output is talk, so it goes to stderr. */
function npm(root, args) {
  var script = process.env.npm_execpath;
  var viaNode = script !== undefined && /npm-cli\.js$/.test(script);
  var result = viaNode
    ? childProcess.spawnSync(process.execPath, [script].concat(args), { cwd: root, env: plainEnvironment(), stdio: ['ignore', 2, 2] })
    : childProcess.spawnSync('npm', args, { cwd: root, env: plainEnvironment(), stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (result.error) {
    return result.error.code === 'ENOENT' ? 'could not be started: there is no npm on the path' : 'could not be started: ' + result.error.message;
  }
  if (result.signal) return 'was ended by ' + result.signal;
  return result.status === 0 ? null : 'ended with code ' + result.status;
}

/**
 * The environment without what an outer `npm start` or `npm test` has set about itself and its package: an inner npm would take
 * the outer one's folder and script for its own. What a person configures stays.
 */
function plainEnvironment() {
  var env = {};
  Object.keys(process.env).forEach(function (name) {
    if (/^npm_(package|lifecycle|command|node_execpath|execpath|config_local_prefix|config_noproxy$)/.test(name)) return;
    env[name] = process.env[name];
  });
  return env;
}

module.exports = { ensureInstalled: ensureInstalled };
