'use strict';

/*
 * Loaded first into every program that scripts/launch.cjs starts. Descriptor 3 is a pipe held open by the launcher alone:
 * when it closes, the launcher is gone, and this process goes the same way (SIGKILL, because the launcher can only have
 * been killed like that: every other signal it passes on). The journal is made for that.
 */

try {
  var pipe = new (require('net').Socket)({ fd: 3, readable: true, writable: false });
  pipe.on('error', end);
  pipe.on('close', end);
  pipe.resume();
  pipe.unref();
} catch (error) {
  // Started by hand, without the pipe: nobody to follow.
}

function end() {
  process.kill(process.pid, 'SIGKILL');
}
