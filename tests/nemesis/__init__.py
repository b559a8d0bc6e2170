"""A cluster under faults: a load with a recorded history, a nemesis, and a checker of what was answered.

    python -m tests.nemesis --minutes 30 --nodes 5 --seed 7 --faults kill,stop,cut

See CONTRIBUTING.md.
"""
