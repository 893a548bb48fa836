/** Why a bundle is refused. Lives in the sandbox process; the pool makes a TroupeError BUNDLE_INVALID of it. */
export class BundleError extends Error {
  readonly location: string;

  constructor(location: string, reason: string) {
    super(reason);
    this.name = 'BundleError';
    this.location = location;
  }
}

export function invalid(location: string, reason: string): BundleError {
  return new BundleError(location, reason);
}
