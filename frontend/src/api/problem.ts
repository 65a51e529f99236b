/** What can go wrong between the page and the services, in one type. */
import type { components } from './schema';

export type Problem = components['schemas']['Problem'];

const PREFIX = 'urn:myevents:problem:';

/** An answer that is no success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem?: Problem,
    readonly retryAfter?: number,
  ) {
    super(problem?.detail ?? (status === 0 ? 'no answer' : `status ${status}`));
    this.name = 'ApiError';
  }

  /** The stable word of the problem, such as `sold-out`; empty for answers that are not the services' own. */
  get word(): string {
    const type = this.problem?.type ?? '';
    return type.startsWith(PREFIX) ? type.slice(PREFIX.length) : '';
  }
}

/** What an unsuccessful answer says. A body that is no problem (a proxy's page) is not shown to anybody. */
export function errorOf(response: Response, body: unknown): ApiError {
  const after = Number(response.headers.get('retry-after'));
  return new ApiError(response.status, isProblem(body) ? body : undefined, after > 0 ? after : undefined);
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'type' in body && 'detail' in body && typeof body.detail === 'string';
}

/** Any error as one of ours: what `fetch` throws means that nobody answered. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0);
}
