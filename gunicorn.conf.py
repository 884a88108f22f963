"""How gunicorn runs the site. gunicorn reads this file in the folder where it starts.

Options of the command line win over it. It imports nothing of the application: what gunicorn's
main process has loaded stays as it is at a reload.
"""

worker_class = "web.worker.Worker"
logger_class = "web.log.Logger"
threads = 8
# Without the query string and the referrer: people search for addresses and numbers.
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)sms "%(a)s" %({x-request-id}o)s'
