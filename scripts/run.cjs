#!/usr/bin/env node
'use strict';

/*
 * `npm start`, `npm test`, `npm run bench` and `npm run faults` come here. Checks the Node on the path, installs what is missing, and runs the
 * real thing on the pinned Node: `node scripts/run.cjs <start | test | bench | faults | faults cluster> [arguments]`.
 */

var path = require('path');
var launch = require('./launch.cjs');

var root = path.join(__dirname, '..');
var programs = {
  start: ['runtime/cli/main.ts', 'start'],
  test: ['scripts/test.ts'],
  bench: ['bench/main.ts'],
  faults: ['runtime/faults/main.ts'],
  // Of a whole cluster, which runtime/ knows nothing of.
  'faults cluster': ['cluster/faults/main.ts'],
};

function main(args) {
  var tooOld = launch.nodeTooOld(process.version);
  if (tooOld !== null) return fail(tooOld, 1);
  var isLong = programs[args[0] + ' ' + args[1]] !== undefined;
  var program = isLong ? programs[args[0] + ' ' + args[1]] : programs[args[0]];
  if (program === undefined) return fail('usage: node scripts/run.cjs <' + Object.keys(programs).join(' | ') + '> [arguments]', 2);
  if (!require('./install.cjs').ensureInstalled(root)) process.exit(1);
  var child = launch.runOn(root, [path.join(root, program[0])].concat(program.slice(1), args.slice(isLong ? 2 : 1)));
  launch.followNpm(child, args[0]);
}

function fail(text, code) {
  process.stderr.write(text + '\n');
  process.exit(code);
}

main(process.argv.slice(2));
