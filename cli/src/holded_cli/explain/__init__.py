"""`holded explain`: what the pipeline makes of the events in a file, step by step, without Kafka.

`command` has the options, `source` reads events and rules, `run` sends the events through collector and worker code,
`steps` says what each step did, `view` shows it. Only `run` and `steps` know Beam, which takes seconds to import.
"""
