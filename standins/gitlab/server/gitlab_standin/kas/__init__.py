"""KAS: GitLab's side of the agents for Kubernetes.

`access` says which jobs may use which agent, `kubeconfig` what a job gets of them, `tunnels` keeps the connections that
agents hold open, and `proxy` sends jobs' requests to the cluster's API through them. What goes over a connection is
plain HTTP/1.1, the server asking and the agent answering: only the lab's own agent (standins/gitlab/agentk) does so.
"""
