"""What changed between two runs of one experiment, and whether that is more than noise.

Pure but for `sides`, which reads run folders. `statistics` knows no run, `measures` no statistics;
`changes` puts them together, and `text` and `page` say what came of it.
"""
