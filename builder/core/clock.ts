// The engine never reads the clock itself: what time it is comes in through the request.

/** RFC 3339 with whole seconds or nanoseconds as Go writes it: "1970-01-01T00:00:00Z". */
export function formatTime(ms: number): string {
  const text = new Date(ms).toISOString();
  return text.replace(/\.?0+Z$/, "Z");
}
