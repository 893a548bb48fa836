/*
 * Loaded before every test that tap runs. tap sees to it that its own loader comes along into every process that a test
 * starts: nodes, sandboxes, compilers. Those must run as they do in life, with the memory and the start-up time that they
 * have there; some do not even start with it. So what tap adds to their environment is taken out again.
 */

import processOnSpawn from 'process-on-spawn';

delete process.env.NODE_OPTIONS;
// What is forked is given the arguments of this process: with tap's loader among them it would be measured for coverage.
process.execArgv = process.execArgv.filter((argument) => !argument.includes('@tapjs'));

processOnSpawn.addListener((child) => {
  const env = { ...child.env };
  for (const name of Object.keys(env)) if (name === 'NODE_OPTIONS' || name.startsWith('_TAPJS_PROCESSINFO_')) delete env[name];
  child.env = env;
  return child;
});
