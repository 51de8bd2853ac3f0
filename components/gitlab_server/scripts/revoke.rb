current = PersonalAccessToken.find_by_token('@TOKEN@') || raise('this GitLab does not know the access token of the stack')
current.user.personal_access_tokens.active.where(name: 'auto-devops').where.not(id: current.id).each(&:revoke!)
