#!/usr/bin/env node
'use strict';

/* The command line, on the pinned Node. Installs nothing: see scripts/run.cjs for that. */

var path = require('path');
var launch = require('../scripts/launch.cjs');

var root = path.join(__dirname, '..');

function fail(text) {
  process.stderr.write(text + '\n');
  process.exit(1);
}

var tooOld = launch.nodeTooOld(process.version);
if (tooOld !== null) fail(tooOld);
if (!require('fs').existsSync(launch.nodeBinary(root))) {
  fail('error NODE_MISSING: the dependencies are not installed.\nhint: run `npm start` (or `npm test`) once in ' + root + '; it installs what is missing.');
}
launch.runOn(root, [path.join(root, 'runtime', 'cli', 'main.ts')].concat(process.argv.slice(2)));
