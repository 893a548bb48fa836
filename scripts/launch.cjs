'use strict';

/*
 * What stands between "some Node on the path" and the Node this project runs on. Shared by scripts/run.cjs and
 * bin/troupe.cjs.
 *
 * Written in the JavaScript of 2017 on purpose: an old Node must get far enough to say that it is old, so nothing here
 * may be newer than Node 8 (no ?., no ??, no catch without a binding, no fs/promises). launch.test.ts parses it as such.
 */

var childProcess = require('child_process');
var crypto = require('crypto');
var fs = require('fs');
var path = require('path');

var NODE_MAJOR_MIN = 20;
var STAMP = '.troupe-lock';
/** Between two looks whether npm is still there. */
var PARENTS_MS = 500;

/** Null when this Node can start the project, else what to tell the person. */
function nodeTooOld(version) {
  var major = parseInt(String(version).replace(/^v/, ''), 10);
  if (major >= NODE_MAJOR_MIN) return null;
  return (
    'error NODE_TOO_OLD: this is Node ' + version + ', and Troupe needs Node ' + NODE_MAJOR_MIN + ' or newer on the path to start.\n' +
    'hint: install a current Node from https://nodejs.org, or with a version manager ("nvm install --lts", "fnm install --lts"),\n' +
    '      or with the system\'s package manager; then run the same command again.'
  );
}

/** Where the npm package `node` keeps its binary, the one all of Troupe runs on. */
function nodeBinary(root) {
  return path.join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** The version that package.json pins for the npm package `node`. */
function nodeVersionWanted(root) {
  return readJson(path.join(root, 'package.json')).dependencies.node;
}

/** Null when the pinned Node is there and starts; else why not. */
function binaryProblem(root) {
  var binary = nodeBinary(root);
  if (!fs.existsSync(binary)) return 'it is not there (' + path.relative(root, binary) + ')';
  var result = childProcess.spawnSync(binary, ['--version'], { encoding: 'utf8' });
  if (result.error) return 'it does not start: ' + result.error.message;
  var found = String(result.stdout).trim();
  var wanted = 'v' + nodeVersionWanted(root);
  return found === wanted ? null : 'it says ' + JSON.stringify(found) + ' instead of ' + wanted;
}

/** Changes whenever what has to be in node_modules does. */
function lockDigest(root) {
  return crypto
    .createHash('sha256')
    .update(fs.readFileSync(path.join(root, 'package-lock.json')))
    .update(process.platform + ' ' + process.arch)
    .digest('hex');
}

function stampPath(root) {
  return path.join(root, 'node_modules', STAMP);
}

/**
 * Whether node_modules holds what package-lock.json names. The stamp answers for what was installed by us; somebody who
 * ran `npm ci` by hand has none, so npm's own list of what it put there is compared then.
 */
function installed(root) {
  try {
    if (fs.readFileSync(stampPath(root), 'utf8') === lockDigest(root)) return true;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return matchesLock(root);
}

function matchesLock(root) {
  var present;
  try {
    present = readJson(path.join(root, 'node_modules', '.package-lock.json')).packages;
  } catch (error) {
    return false;
  }
  var wanted = readJson(path.join(root, 'package-lock.json')).packages;
  return Object.keys(wanted).every(function (name) {
    if (name === '') return true;
    var found = present[name];
    // What is optional may be left out on this platform; everything else has to be there in this very version.
    if (found === undefined) return wanted[name].optional === true || wanted[name].peer === true;
    return found.version === wanted[name].version;
  });
}

function stamp(root) {
  fs.writeFileSync(stampPath(root), lockDigest(root));
}

/**
 * Runs a program with our streams and answers by its end. Signals are passed on, and the program ends with us even when
 * we are killed with -9: descriptor 3 is a pipe whose other end only this process holds, and scripts/follow.cjs, loaded
 * first, ends the program when it closes. Without it a node would go on serving, and keep the data directory locked,
 * after the command that started it is gone.
 */
function runOn(root, args, done) {
  var child = childProcess.spawn(
    nodeBinary(root),
    ['--no-node-snapshot', '--max-semi-space-size=16', '--disable-warning=ExperimentalWarning', '--require', path.join(root, 'scripts', 'follow.cjs')].concat(args),
    { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env: environment(root) }
  );
  ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on('error', function (error) {
    process.stderr.write('error NODE_MISSING: the pinned Node does not start: ' + error.message + '\n');
    process.exit(1);
  });
  child.on('exit', function (code, signal) {
    if (done) done();
    if (signal === null) process.exit(code);
    // End the way the program ended, so that a shell or a supervisor sees the same.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    setTimeout(function () {
      process.exit(1);
    }, 1000);
  });
  return child;
}

/**
 * npm puts a shell between itself and us that passes no signal on: when one of the two is gone, the program is ended in order. Call only where npm
 * runs `script` of ours; whoever puts us into the background otherwise may leave.
 */
function followNpm(child, script) {
  if (process.env.npm_lifecycle_event !== script) return;
  var before = String(parents());
  var timer = setInterval(function () {
    if (String(parents()) === before) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, PARENTS_MS);
  timer.unref();
}

/** The shell; and npm, where the system shows it. */
function parents() {
  var npm = 0;
  try {
    npm = fs.readFileSync('/proc/' + process.ppid + '/stat', 'utf8').replace(/^.*\) /, '').split(' ')[1];
  } catch (error) {
    // No /proc.
  }
  return [process.ppid, npm];
}

/** Ours, with the pinned Node and the tools of node_modules found first: those tools begin with "env node". */
function environment(root) {
  var env = Object.assign({}, process.env);
  var first = [path.dirname(nodeBinary(root)), path.join(root, 'node_modules', '.bin')];
  // Large arrays in huge pages, where the C library is glibc: with many actors the processor else spends its time looking pages up
  // (measured: four per cent more commands). Others ignore the variable.
  if (env.GLIBC_TUNABLES === undefined) env.GLIBC_TUNABLES = 'glibc.malloc.hugetlb=1';
  // What Node makes of our sources (types stripped, code compiled) is kept from one process to the next: a node needs half the processor time
  // to start, a command two thirds. Whoever may write there may write the sources, too; sandboxes have no environment, and do without.
  if (env.NODE_COMPILE_CACHE === undefined) env.NODE_COMPILE_CACHE = path.join(root, 'node_modules', '.cache', 'troupe-compiled');
  env.PATH = first.concat(env.PATH === undefined ? [] : [env.PATH]).join(path.delimiter);
  return env;
}

function readJson(file) {
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

module.exports = {
  followNpm: followNpm,
  nodeTooOld: nodeTooOld,
  nodeBinary: nodeBinary,
  nodeVersionWanted: nodeVersionWanted,
  binaryProblem: binaryProblem,
  installed: installed,
  lockDigest: lockDigest,
  stamp: stamp,
  runOn: runOn,
};
