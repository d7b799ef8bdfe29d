"""Apps in processes of their own: the line between, what may cross it, the app as seen from here.

Never loads the code of such an app on this side. How a process is confined is `trust.sandbox`.
"""
